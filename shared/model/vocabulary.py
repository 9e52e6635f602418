"""The tokenizer: byte-level BPE, split as GPT-2 splits, and documents as token ids with weights."""

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import words
from stories import SPECIALS

# The grammar's words, each with and without a leading space, mostly fit as one token.
SIZE = 1536

NAMES = frozenset(words.GIRLS + words.BOYS)

# Names were copied last of all (see train.spread): what can be known of them counts more.
WEIGHT_NAME_FIRST, WEIGHT_NAME_AGAIN = 0.1, 3.0


def split_as_gpt2(model):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def learn(documents):
    """Learns the merges from the documents' texts; control tokens take the first ids."""
    tokenizer = split_as_gpt2(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=SPECIALS, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    texts = (text for document in documents for text, _ in document if text not in SPECIALS)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def known(tokens, merges):
    """The tokenizer of an exported model, so that its training can go on."""
    tokenizer = split_as_gpt2(models.BPE(
        {token: index for index, token in enumerate(tokens)},
        [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.add_special_tokens(SPECIALS)
    return tokenizer


def encode(tokenizer, document):
    """Ids and loss weights of a document; its segments part at spaces, so each stands alone."""
    ids, weights, met = [], [], set()
    for text, weight in document:
        special = text in SPECIALS
        new = [tokenizer.token_to_id(text)] if special else tokenizer.encode(text).ids
        ids += new
        weights += [weight * share(tokenizer, token, met) for token in new]
    return ids, weights


def share(tokenizer, token, met):
    """How much a token counts: a name's first mention is chance, every later one can be known."""
    name = tokenizer.id_to_token(token).lstrip("\u0120")
    if name not in NAMES:
        return 1.0
    if name in met:
        return WEIGHT_NAME_AGAIN
    met.add(name)
    return WEIGHT_NAME_FIRST


def rows(tokenizer, documents, length, count):
    """Packs documents into `count` rows of `length` ids; a document cut at the end begins anew."""
    ids = np.zeros((count, length), np.uint16)
    weights = np.zeros((count, length), np.float16)
    left = encode(tokenizer, next(documents))
    for row in range(count):
        filled = 0
        while True:
            part = min(len(left[0]), length - filled)
            ids[row, filled:filled + part] = left[0][:part]
            weights[row, filled:filled + part] = left[1][:part]
            filled += part
            if filled == length:
                break
            left = encode(tokenizer, next(documents))
    return ids, weights
