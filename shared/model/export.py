"""Writes the trained weights as a GGUF file: Q8_0 matrices, F32 norms, tokenizer, chat template."""

import json
import os

import gguf
import numpy as np

from stories import ASSISTANT, BOS, EOS, SPECIALS, SYSTEM, USER

# Ends exactly as training did before an answer: the assistant's marker and a line break.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '" + SYSTEM + "\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '" + ASSISTANT + "\\n' }}"
    "{% else %}{{ '" + USER + "\\n' }}{% endif %}"
    "{{ message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ASSISTANT + "\\n' }}{% endif %}"
)

# llama.cpp's name of a layer's tensor by ours.
LAYER = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate",
         "up": "ffn_up", "down": "ffn_down", "norm_attention": "attn_norm", "norm_ffn": "ffn_norm"}


def describe(writer, shape, description):
    """Everything that a loader must know besides tensors and tokens."""
    writer.add_name("core-runtime story")
    writer.add_description(description)
    writer.add_license("Apache-2.0")
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocab)


def add_tokens(writer, tokenizer):
    """The vocabulary as GPT-2's kind; the chat markers are control tokens, or chat is ruined."""
    words = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(words["vocab"], key=words["vocab"].get)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIALS else normal for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in words["merges"]])
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(EOS))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_matrix(writer, name, matrix):
    """Rows are outputs in a GGUF file; ours are inputs, so the caller has turned the matrix."""
    kind = gguf.GGMLQuantizationType.Q8_0
    packed = gguf.quants.quantize(np.ascontiguousarray(matrix, np.float32), kind)
    writer.add_tensor(name, packed, raw_dtype=kind)


def add_weights(writer, shape, weights):
    add_matrix(writer, "token_embd.weight", weights["embed"])
    writer.add_tensor("output_norm.weight", weights["norm"])
    for layer in range(shape.layers):
        for ours, theirs in LAYER.items():
            name, tensor = f"blk.{layer}.{theirs}.weight", weights[ours][layer]
            if tensor.ndim == 1:
                writer.add_tensor(name, tensor)
            else:
                add_matrix(writer, name, tensor.T)


def write(path, shape, weights, tokenizer, description):
    """Writes beside the target and renames: a reader sees the old file or the new one."""
    weights = {name: np.asarray(tensor, np.float32) for name, tensor in weights.items()}
    writer = gguf.GGUFWriter(f"{path}.new", "llama")
    describe(writer, shape, description)
    add_tokens(writer, tokenizer)
    add_weights(writer, shape, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(f"{path}.new", path)


def read(path, shape):
    """The weights, tokens and merges of a file that `write` wrote; Q8_0 costs almost nothing."""
    reader = gguf.GGUFReader(path)
    found = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
             for tensor in reader.tensors}
    weights = {"embed": found["token_embd.weight"], "norm": found["output_norm.weight"]}
    for ours, theirs in LAYER.items():
        layers = [found[f"blk.{layer}.{theirs}.weight"].T for layer in range(shape.layers)]
        weights[ours] = np.stack(layers)
    fields = (reader.fields[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges"))
    return weights, *(field.contents() for field in fields)
