use core_wire::code::Code;
use proptest::prelude::*;

use super::translate;

#[test]
fn rules_become_terminals_unless_they_reach_themselves() {
    let source = "root ::= item (\",\" ws item)* # a comment\n\
                  item ::= word | \"(\" ws root \")\"\n\
                  word ::= [a-z]+ [^0-9]? .{2,3}\n\
                  ws ::= [ \\t\\n]*\n";
    let expected = "start: r0\n\
        M0: \",\" T2\n\
        r0: r1 (M0 r1)*\n\
        M1: \"(\" T2\n\
        M2: \")\"\n\
        r1: (T3 | M1 r0 M2)\n\
        T2: (/[\\x{20}-\\x{20}\\x{9}-\\x{9}\\x{a}-\\x{a}]/)*\n\
        T3: (/[\\x{61}-\\x{7a}]/)+ (/[^\\x{30}-\\x{39}]/)? (/[\\x{0}-\\x{10ffff}]/){2,3}\n";
    assert_eq!(translate(source).unwrap(), expected);
}

#[test]
fn texts_are_quoted_so_that_nothing_gets_out_of_them() {
    let lark = translate("root ::= \"a\\\"b\\\\c\\n\\x41\\u00e4 #:|\\U0001F600\"").unwrap();
    assert_eq!(lark, "start: T0\nT0: \"a\\\"b\\\\c\\u000aAä #:|😀\"\n");
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_never_quoted() {
    let bad = [
        ("", "no rule named root"),
        ("other ::= \"a\"", "no rule named root"),
        ("root ::= gone", "a rule that it does not have"),
        ("root ::= \"a\"\nroot ::= \"b\"", "line 2: this rule was there before"),
        ("root ::= \"a", "line 1: a text or class is not closed"),
        ("root ::= [z-a]", "goes backwards"),
        ("root ::= []", "a class is empty"),
        ("root ::= \"\\ud800\"", "names no character"),
        ("root ::= \"a\"{5,1}", "not in order"),
        ("root ::= \"a\"{1,1000000000}", "a count is beyond 10000"),
        ("root ::= (\"a\"", "a bracket is not closed"),
        ("root ::= <[42]>", "not supported"),
        ("root = \"a\"", "::= is due"),
        ("root ::= \"a\"**", "needs brackets"),
    ];
    for (source, words) in bad {
        let refusal = translate(source).unwrap_err();
        assert_eq!(refusal.code, Code::BadGrammar);
        assert!(refusal.message.contains(words), "{source}: {}", refusal.message);
    }
    let deep = format!("root ::= {}\"a\"{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(translate(&deep).unwrap_err().message.contains("24 deep"));
    let many: String = (0..5000).map(|i| format!("r{i} ::= \"a\"\n")).collect();
    assert!(translate(&many).unwrap_err().message.contains("more than 500 rules"));
}

/// Texts of what means something, some of them with a beginning that is right.
const GRAMMATICAL: &str = "(root ::= )?[a-z\"\\[\\](){}|*+?.:=#\\\\\n ,0-9^-]{0,300}";

proptest! {
    #[test]
    fn any_text_comes_to_an_end(source in GRAMMATICAL) {
        let _result = translate(&source);
    }

    #[test]
    fn any_bytes_come_to_an_end(source in any::<String>()) {
        let _result = translate(&source);
    }
}
