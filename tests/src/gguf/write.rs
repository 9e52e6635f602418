//! The bytes of a GGUF file: header, key-value pairs, tensor directory.
//!
//! Layout (version 3, little endian): magic, version, tensor count, pair count, the pairs, the
//! directory, padding to the alignment, tensor data. A string is a 64-bit length and its bytes.

use super::Weight;

/// First four bytes of every GGUF file.
pub(super) const MAGIC: &[u8; 4] = b"GGUF";
/// The version that current llama.cpp writes and reads.
pub(super) const VERSION: u32 = 3;
/// Start of tensor data and of each tensor is a multiple of this; the format's default.
const ALIGNMENT: usize = 32;
/// Weights in one block, of Q8_0 and of Q4_0.
pub(super) const BLOCK: usize = 32;
/// Bytes of one Q8_0 block: a half-precision scale and one byte per weight.
const Q8_0_BYTES: u64 = 34;
/// Bytes of one Q4_0 block: a half-precision scale and half a byte per weight.
const Q4_0_BYTES: u64 = 18;

const TYPE_U16: u32 = 2;
const TYPE_U32: u32 = 4;
const TYPE_I32: u32 = 5;
const TYPE_F32: u32 = 6;
const TYPE_BOOL: u32 = 7;
const TYPE_STR: u32 = 8;
const TYPE_ARRAY: u32 = 9;

/// The value of a pair, of the types that a llama file needs.
#[derive(Clone, Debug)]
pub(super) enum Value {
    U16(u16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(String),
    Strs(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

/// One entry of the tensor directory.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Fastest-moving dimension first, as ggml has it: a matrix is (columns, rows).
    pub(super) dims: Vec<u64>,
    pub(super) weight: Weight,
}

impl Tensor {
    /// Bytes of its data, padding excluded.
    pub(super) fn n_bytes(&self) -> u64 {
        let n: u64 = self.dims.iter().product();
        match self.weight {
            Weight::F32 => n * 4,
            Weight::F16 => n * 2,
            Weight::Q8_0 => n / BLOCK as u64 * Q8_0_BYTES,
            Weight::Q4_0 => n / BLOCK as u64 * Q4_0_BYTES,
        }
    }
}

/// Bytes that must follow `n` to reach the alignment.
pub(super) fn padding(n: u64) -> u64 {
    n.next_multiple_of(ALIGNMENT as u64) - n
}

/// A buffer that knows the format's primitives. Only headers live in it, never tensor data.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    /// Magic, version and the two counts.
    pub(super) fn start(n_tensors: u64, n_pairs: u64) -> Self {
        let mut bytes = Self(MAGIC.to_vec());
        bytes.u32(VERSION);
        bytes.u64(n_tensors);
        bytes.u64(n_pairs);
        bytes
    }

    pub(super) fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn str(&mut self, s: &str) {
        self.u64(s.len() as u64);
        self.0.extend_from_slice(s.as_bytes());
    }

    pub(super) fn pair(&mut self, key: &str, value: &Value) {
        self.str(key);
        match value {
            Value::U16(v) => self.scalar(TYPE_U16, &v.to_le_bytes()),
            Value::U32(v) => self.scalar(TYPE_U32, &v.to_le_bytes()),
            Value::I32(v) => self.scalar(TYPE_I32, &v.to_le_bytes()),
            Value::F32(v) => self.scalar(TYPE_F32, &v.to_le_bytes()),
            Value::Bool(v) => self.scalar(TYPE_BOOL, &[u8::from(*v)]),
            Value::Str(v) => {
                self.u32(TYPE_STR);
                self.str(v);
            }
            Value::Strs(v) => {
                self.array(TYPE_STR, v.len());
                v.iter().for_each(|s| self.str(s));
            }
            Value::F32s(v) => {
                self.array(TYPE_F32, v.len());
                v.iter().for_each(|x| self.0.extend_from_slice(&x.to_le_bytes()));
            }
            Value::I32s(v) => {
                self.array(TYPE_I32, v.len());
                v.iter().for_each(|x| self.0.extend_from_slice(&x.to_le_bytes()));
            }
        }
    }

    fn scalar(&mut self, kind: u32, bytes: &[u8]) {
        self.u32(kind);
        self.0.extend_from_slice(bytes);
    }

    fn array(&mut self, kind: u32, n: usize) {
        self.u32(TYPE_ARRAY);
        self.u32(kind);
        self.u64(n as u64);
    }

    /// A directory entry; `offset` counts from the start of tensor data.
    pub(super) fn tensor(&mut self, tensor: &Tensor, offset: u64) {
        self.str(&tensor.name);
        self.u32(u32::try_from(tensor.dims.len()).unwrap_or(u32::MAX));
        tensor.dims.iter().for_each(|d| self.u64(*d));
        self.u32(match tensor.weight {
            Weight::F32 => 0,
            Weight::F16 => 1,
            Weight::Q8_0 => 8,
            Weight::Q4_0 => 2,
        });
        self.u64(offset);
    }

    /// Zeros up to the alignment.
    pub(super) fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }
}

/// A whole header: everything before the first byte of tensor data.
pub(super) fn header(pairs: &[(String, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = Bytes::start(tensors.len() as u64, pairs.len() as u64);
    pairs.iter().for_each(|(key, value)| bytes.pair(key, value));
    let mut offset = 0;
    for tensor in tensors {
        bytes.tensor(tensor, offset);
        offset += tensor.n_bytes() + padding(tensor.n_bytes());
    }
    bytes.pad();
    bytes.0
}
