//! Templates in the style of the families that people load: what they use must work.

use super::{super::TemplateError, message, render, talk};

#[test]
fn a_template_in_the_style_of_llama() {
    let source = "\
{{- bos_token }}
{%- if strftime_now is defined %}
    {%- set today = strftime_now('%d %b %Y') %}
{%- else %}
    {%- set today = '1 Jan 2025' %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '<|head|>system<|end|>\\n\\nToday: ' + today + '\\n\\n' + system + '<|turn|>' }}
{%- for m in messages %}
    {%- if not (m.role == 'tool' or 'tool_calls' in m) %}
        {{- '<|head|>' + m['role'] + '<|end|>\\n\\n' + m['content'] | trim + '<|turn|>' }}
    {%- elif m.tool_calls | length != 1 %}
        {{- raise_exception('one call only') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|end|>\\n\\n' }}
{%- endif %}";
    assert_eq!(
        render(source, &talk()).unwrap(),
        "<s><|head|>system<|end|>\n\nToday: 1 Jan 2025\n\nBe brief.<|turn|>\
         <|head|>user<|end|>\n\nHi!<|turn|><|head|>assistant<|end|>\n\nHello.<|turn|>\
         <|head|>user<|end|>\n\nWhere is the kite?<|turn|><|head|>assistant<|end|>\n\n"
    );
}

/// It looks for the last question from the end, and drops thoughts of earlier answers.
const QWEN: &str = "\
{%- if tools %}
    {{- 'tools' }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1, found=false) %}
{%- for m in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.found and m.role == 'user' and m.content is string
        and not (m.content.startswith('<r>') and m.content.endswith('</r>')) %}
        {%- set ns.found = true %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}
    {%- elif m.role == 'assistant' %}
        {%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- 'quiet' }}
    {%- endif %}
{%- endif %}{{ ns.last }}";

#[test]
fn a_template_in_the_style_of_qwen() {
    let mut talk = talk();
    talk[2].content = "<think>hm</think>\n\nHello.".into();
    assert_eq!(
        render(QWEN, &talk).unwrap(),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi! <|im_end|>\n\
         <|im_start|>assistant\nHello.<|im_end|>\n\
         <|im_start|>user\nWhere is the kite?<|im_end|>\n<|im_start|>assistant\n3"
    );
}

#[test]
fn a_template_in_the_style_of_mistral() {
    let source = "\
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{{- bos_token }}
{%- for m in rest %}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- if m['role'] == 'user' %}
        {%- if loop.last and system is defined %}
            {{- '[INST] ' + system + '\\n\\n' + m['content'] + '[/INST]' }}
        {%- else %}
            {{- '[INST] ' + m['content'] + '[/INST]' }}
        {%- endif %}
    {%- else %}
        {{- ' ' + m['content'] + eos_token }}
    {%- endif %}
{%- endfor %}";
    assert_eq!(
        render(source, &talk()).unwrap(),
        "<s>[INST]  Hi! [/INST] Hello.</s>[INST] Be brief.\n\nWhere is the kite?[/INST]"
    );
    let twice = [message("user", "a"), message("user", "b")];
    assert_eq!(render(source, &twice), Err(TemplateError::Refused));
}

#[test]
fn a_template_in_the_style_of_gemma() {
    let source = "\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first = messages[0]['content'] + '\\n\\n' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first = '' -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for m in loop_messages -%}
    {%- if (m['role'] == 'assistant') -%}
        {%- set role = 'model' -%}
    {%- else -%}
        {%- set role = m['role'] -%}
    {%- endif -%}
    {{ '<start>' + role + '\\n' + (first if loop.first else '') }}
    {%- if m['content'] is iterable and m['content'] is not string -%}
        {{ 'parts' }}
    {%- else -%}
        {{ m['content'] | trim }}
    {%- endif -%}
    {{ '<end>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start>model\\n' }}
{%- endif -%}
";
    assert_eq!(
        render(source, &talk()).unwrap(),
        "<s><start>user\nBe brief.\n\nHi!<end>\n<start>model\nHello.<end>\n\
         <start>user\nWhere is the kite?<end>\n<start>model\n"
    );
}

#[test]
fn a_template_in_the_style_of_phi() {
    let source = "\
{% for m in messages %}{% if m['role'] in ['system', 'user', 'assistant'] %}
{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}";
    assert_eq!(
        render(source, &talk()).unwrap(),
        "<|system|>\nBe brief.<|end|>\n<|user|>\n Hi! <|end|>\n<|assistant|>\nHello.<|end|>\n\
         <|user|>\nWhere is the kite?<|end|>\n<|assistant|>\n"
    );
}
