"""The word lists that every generated text draws from.

The lists are wide where a fact must be copied (names, describing words, things, places), so that
guessing an answer is hopeless and looking it up in the prompt is the only way to be right.
"""

GIRLS = """Mira Anna Lily Ella Nora Ruby Maya Ada Ivy Zoe Rosa Lena Clara Emma Sara Tilda Wanda Hana
Nina Olive June Kira Dora Vera""".split()
BOYS = """Tom Ben Max Leo Sam Finn Otto Hugo Paul Noah Oscar Jonas Milo Felix Adam Emil Karl Rolf
Simon Theo Yusuf Igor Peter Nils""".split()

ANIMALS = "fox rabbit bear mouse hedgehog squirrel owl duck frog badger otter goat".split()

COLOURS = "red blue green yellow white black brown pink purple orange grey golden silver".split()
LOOKS = "old new small big round shiny soft wooden tiny heavy pretty striped".split()

THINGS = """kite ball book cup hat coat drum lamp key box doll boat car train bell spoon bowl basket
blanket pillow scarf shoe ring coin map flute whistle puzzle brush bucket shovel ladder lantern
mirror clock button ribbon rope stone shell feather flower apple pear cake cookie balloon umbrella
hammer pencil letter crayon robot teapot jar marble crown wagon""".split()

PLACES = """under the bed;on the table;in the box;behind the door;on the shelf;in the drawer;
under the chair;on the roof;in the garden;behind the tree;under the bridge;in the kitchen;
on the bench;beside the well;in the barn;near the river;under the stairs;on the windowsill;
in the basket;behind the curtain;in the cellar;on the rug;beside the fire;in the shed;
under the blanket;in the attic;on the wall;behind the sofa;near the gate;in the cupboard"""
PLACES = [place.strip() for place in PLACES.split(";")]

SPOTS = """the park;the forest;the river;the beach;the market;the hill;the garden;the lake;the farm;
the meadow;the village;the old bridge;the school;the mill"""
SPOTS = [spot.strip() for spot in SPOTS.split(";")]

FOODS = "soup bread cake honey apples berries pancakes cheese porridge cookies pears pie".split()

ELDERS = "mother father grandmother grandfather aunt uncle".split()
