//! Chat templates in the dialect of each vocabulary; written for this project, in plain Jinja.

use super::super::VocabKind;

const CHATML: &str = "{% for message in messages %}\
<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const LLAMA3: &str = "{{ bos_token }}{% for message in messages %}\
<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content }}<|eot_id|>\
{% endfor %}\
{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";

const SPM: &str = "{{ bos_token }}{% for message in messages %}\
{% if message.role == 'assistant' %} {{ message.content }}{{ eos_token }}\
{% elif message.role == 'system' %}[INST] <<SYS>>{{ message.content }}<</SYS>> [/INST]\
{% else %}[INST] {{ message.content }} [/INST]{% endif %}\
{% endfor %}";

/// The template that goes with the control tokens of `kind`.
pub(super) fn matching(kind: VocabKind) -> &'static str {
    match kind {
        VocabKind::Gpt2Bpe => CHATML,
        VocabKind::Llama3Bpe => LLAMA3,
        VocabKind::Spm => SPM,
    }
}
