//! Words to learn merges from: common English first, then invented ones without end.

/// Frequent English words and some of this project's own; small vocabularies see only these.
const COMMON: &str = "\
the and of to in is that it was for on with as his they at be this from have or by one had \
not but what all were when we there can an your which their said if do will each about how \
up out them then she many some so these would other into has more her two like him see \
time could no make than first been its who now people my made over did down only way find \
use may water long little very after words called just where most know get through back \
much before go good new write our used me man too any day same right look think also \
around another came come work three word must because does part even place well such here \
take why things help put years different away again off went old number great tell men say \
small every found still between name should home big give air line set own under read last \
never us left end along while might next sound below saw something thought both few those \
always show large often together asked house world going want school important until form \
food keep children feet land side without boy once animals life enough took four head \
above kind began almost live page got earth need far hand high year mother light country \
father let night following picture being study second eyes soon times story boys since \
white days ever paper hard near sentence better best across during today others however \
sure means knew try told young miles sun ways thing whole hear example heard several \
change answer room sea against top turned learn point city play toward five using himself \
usually worker token model prompt broker memory kernel sandbox garden river kite ball red \
blue green Tom Mira Hello";

const ONSETS: [&str; 18] =
    ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "ch"];
const VOWELS: [&str; 5] = ["a", "e", "i", "o", "u"];
const CODAS: [&str; 6] = ["", "n", "r", "s", "l", "t"];

/// Number of distinct syllables: 540.
const SYLLABLES: usize = ONSETS.len() * VOWELS.len() * CODAS.len();
/// Coprime to 540 * 540, so that multiplying by it visits every pair once, scattered.
const STRIDE: usize = 104_729;

/// Every word in the order of learning: finite, 540 * 540 invented ones at the end.
pub(super) fn all() -> impl Iterator<Item = String> {
    let invented = (0..SYLLABLES * SYLLABLES).map(|i| {
        let n = i * STRIDE % (SYLLABLES * SYLLABLES);
        syllable(n / SYLLABLES) + &syllable(n % SYLLABLES)
    });
    COMMON.split(' ').map(str::to_owned).chain(invented)
}

fn syllable(n: usize) -> String {
    let onset = ONSETS[n % ONSETS.len()];
    let vowel = VOWELS[n / ONSETS.len() % VOWELS.len()];
    let coda = CODAS[n / (ONSETS.len() * VOWELS.len()) % CODAS.len()];
    format!("{onset}{vowel}{coda}")
}
