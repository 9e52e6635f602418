mod styles;

use core_wire::client::request::ChatMessage;

use super::{SOURCE_BYTES_MAX, Template, TemplateError};

fn message(role: &str, content: &str) -> ChatMessage {
    ChatMessage { role: role.into(), content: content.into() }
}

fn talk() -> Vec<ChatMessage> {
    vec![
        message("system", "Be brief."),
        message("user", " Hi! "),
        message("assistant", "Hello."),
        message("user", "Where is the kite?"),
    ]
}

fn render(source: &str, messages: &[ChatMessage]) -> Result<String, TemplateError> {
    Template::compile(source, "<s>", "</s>")?.render(messages)
}

#[test]
fn loops_may_break_and_continue() {
    let source = "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}\
                  {{ m.role }}{% break %}{% endfor %}";
    assert_eq!(render(source, &talk()).unwrap(), "user");
}

#[test]
fn what_a_message_says_is_never_run() {
    let sly = [message("user", "{{ 7 * 7 }}{% raw %}")];
    let source = "{% for m in messages %}{{ m.content }}{% endfor %}";
    assert_eq!(render(source, &sly).unwrap(), "{{ 7 * 7 }}{% raw %}");
}

#[test]
fn a_hostile_template_runs_out_of_something() {
    let hostile = [
        // Time.
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
        // Memory, at once and by doubling.
        "{% set x = 'y' * 1000000000 %}{{ x }}",
        "{% set ns = namespace(x='y' * 1000) %}{% for a in range(60) %}{% set ns.x = ns.x + ns.x %}\
         {% endfor %}",
        // Output.
        "{% for a in range(9999) %}{{ 'y' * 100000 }}{% endfor %}",
        "{% set x = 'y' * 1000000 %}{% for a in range(99) %}{{ x }}{% endfor %}",
        // Depth.
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(n) %}{{ f(n) ~ f(n) }}{% endmacro %}{{ f(0) }}",
    ];
    for source in hostile {
        let got = render(source, &talk());
        assert!(
            matches!(got, Err(TemplateError::Work | TemplateError::Failed)),
            "{source}: {:?}",
            got.map(|text| text.len())
        );
    }
}

#[test]
fn a_template_that_is_none_does_not_compile() {
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    for source in ["{% for", "{{ nobody_closes", &nested] {
        assert_eq!(render(source, &talk()), Err(TemplateError::Syntax));
    }
    let long = " ".repeat(SOURCE_BYTES_MAX + 1);
    assert_eq!(render(&long, &talk()), Err(TemplateError::Long));
}

#[test]
fn a_template_reaches_nothing_but_the_messages() {
    let reaching = [
        "{% include '/etc/passwd' %}",
        "{% extends 'other' %}",
        "{{ open('/etc/passwd') }}",
        "{{ messages.__class__.__mro__ }}",
    ];
    for source in reaching {
        let got = render(source, &talk());
        assert!(got.is_err(), "{source}: {got:?}");
    }
}

#[test]
fn the_largest_chat_fits() {
    let big: Vec<_> = (0..4096).map(|_| message("user", &"word ".repeat(200))).collect();
    let source = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>{% endfor %}";
    assert!(render(source, &big).unwrap().len() > 4_000_000);
}
