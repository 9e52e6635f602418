//! Every bound of the two protocols, in one place, with where the number comes from.

/// Protocol version on the wire, major and minor; a differing major is refused in the handshake.
pub const PROTOCOL: (u16, u16) = (1, 0);

/// Fewest bytes of a handshake token: 256 bits, what HMAC-SHA256 keeps of a key.
pub const TOKEN_BYTES_MIN: usize = 32;

/// Most bytes of a handshake token (contract).
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// Bytes of a request id. Enough for a UUID with a prefix; short enough to keep for each request.
pub const REQUEST_ID_BYTES_MAX: usize = 64;

/// Bytes of a model id. File systems allow 255 for a name; half of it fits on a terminal line.
pub const MODEL_ID_BYTES_MAX: usize = 128;

/// Bytes of the name of a saved context; with the model's id in front it is still a file name.
pub const CONTEXT_NAME_BYTES_MAX: usize = 64;

/// Files of one model: its parts and its adapters (`MODEL_FILES_MAX` of the policy).
pub const MODEL_FILES_MAX: usize = 64;

/// Bytes of a saved context: 2,000 tokens of a model with 32 layers and 8 key-value heads of 128
/// take a quarter of a gigabyte.
pub const STATE_BYTES_MAX: usize = 512 << 20;

/// Devices that a worker may tell of; a large host has 8 GPUs.
pub const DEVICES_MAX: usize = 16;

/// The highest scale of a LoRA adapter, either way; 1 is what it was trained for.
pub const ADAPTER_SCALE_MAX: f32 = 100.0;

/// Bytes of one frame from a client, unless `core.toml` says otherwise (contract: 1 MiB).
pub const CLIENT_FRAME_BYTES_MAX: usize = 1 << 20;

/// What `core.toml` may raise a client's frame to: four default frames, a book as a prompt.
pub const CLIENT_FRAME_BYTES_CEILING: usize = 4 << 20;

/// Bytes of one frame to a client: the tokens of the longest text, five bytes each at worst.
pub const SERVER_FRAME_BYTES_MAX: usize = 5 * CLIENT_FRAME_BYTES_CEILING;

/// Decoded bytes that the codec allows: four times the largest frame (decision D13).
pub const DECODED_BYTES_MAX: usize = 4 * SERVER_FRAME_BYTES_MAX;

/// Messages in one chat. A conversation of a thousand turns fills any context there is.
pub const CHAT_MESSAGES_MAX: usize = 4096;

/// Bytes of a chat role. Templates know a handful of words such as `assistant`.
pub const CHAT_ROLE_BYTES_MAX: usize = 32;

/// Tokens that one request may ask for. The largest context that is served is far below.
pub const MAX_TOKENS_MAX: u32 = 1 << 20;

/// Stop strings in one request; each costs a comparison for every token.
pub const STOP_STRINGS_MAX: usize = 16;

/// Bytes of one stop string; this much text may be held back while one could still complete.
pub const STOP_STRING_BYTES_MAX: usize = 256;

/// The highest temperature. Above it every token is as likely as any other for a float.
pub const TEMPERATURE_MAX: f32 = 100.0;

/// The highest top-k; above any vocabulary, so it is the same as none.
pub const TOP_K_MAX: u32 = 1 << 20;

/// Completions of one prompt. Each takes a slot of its own; a typical worker has eight.
pub const CHOICES_MAX: u32 = 16;

/// Alternatives that may be told for a token, as in the best-known API of this kind.
pub const LOGPROBS_MAX: u32 = 20;

/// Tokens of one request whose logits may be changed.
pub const LOGIT_BIAS_MAX: usize = 1024;

/// The largest change of a logit, either way; it forbids or forces a token.
pub const LOGIT_BIAS_RANGE: f32 = 100.0;

/// Bytes of a grammar or schema. The largest published schemas that are sensible to generate for
/// stay below; what is longer only costs time to compile.
pub const GRAMMAR_BYTES_MAX: usize = 64 << 10;

/// Tokens back that a penalty may look; the longest context.
pub const PENALTY_LAST_N_MAX: u32 = CONTEXT_TOKENS_MAX;

/// The highest penalty of a repetition, a factor on logits; 1.3 is strong.
pub const REPEAT_PENALTY_MAX: f32 = 10.0;

/// The highest frequency and presence penalty, either way, as in the best-known API of this kind.
pub const COUNT_PENALTY_MAX: f32 = 2.0;

/// The highest DRY multiplier; 0.8 is usual.
pub const DRY_MULTIPLIER_MAX: f32 = 100.0;

/// The highest DRY base; 1.75 is usual.
pub const DRY_BASE_MAX: f32 = 10.0;

/// Texts in one request that interrupt a repetition for DRY; each is looked for in the vocabulary.
pub const DRY_BREAKERS_MAX: usize = 16;

/// The highest top-n-sigma, in standard deviations: beyond it no logit is ever cut.
pub const TOP_N_SIGMA_MAX: f32 = 100.0;

/// The longest target for a step of the engine in milliseconds.
pub const STEP_MS_MAX: u32 = 10_000;

/// The longest deadline in milliseconds: one day.
pub const DEADLINE_MS_MAX: u32 = 24 * 60 * 60 * 1000;

/// Sequences that one worker serves at once: `LLAMA_MAX_SEQ` of llama.cpp.
pub const SLOTS_MAX: u32 = 256;

/// Tokens that a context may hold at most; what today's longest models were trained for.
pub const CONTEXT_TOKENS_MAX: u32 = 1 << 20;

/// Ids in a vocabulary: four times the largest that is published.
pub const VOCABULARY_MAX: u32 = 1 << 20;

/// Bytes of a prompt fragment or of a chunk: an eighth of the smaller ring is 128 KiB; half of it
/// lets two fit beside each other.
pub const FRAGMENT_BYTES_MAX: usize = 64 << 10;

/// Bytes of text that one STEP entry may carry: held-back text plus the longest token piece.
pub const STEP_TEXT_BYTES_MAX: usize = 8 << 10;

/// Bytes of a sentence or name that a worker may send to be shown.
pub const WORKER_TEXT_BYTES_MAX: usize = 512;

/// Rows of a worker's report of its own lockdown.
pub const CLAIMS_MAX: usize = 64;

/// CPU variants that a throwaway worker compares; llama.cpp builds 14 for x86-64.
pub const VARIANTS_MAX: usize = 64;

/// Bytes of a text or of its tokens that a worker may answer with.
pub const ANSWER_BYTES_MAX: usize = 4 * CLIENT_FRAME_BYTES_CEILING;
