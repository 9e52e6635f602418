use core_wire::client::ChatMessage;

use super::*;

#[test]
fn a_text_is_guessed_at_four_bytes_a_token_and_ids_are_counted() {
    assert_eq!(tokens_of(&Prompt::Tokens(vec![7; 100])), 100);
    let text = "a sentence of usual words, ".repeat(100);
    let guess = u32::try_from(text.len()).unwrap() / 4;
    assert_eq!(tokens_of(&Prompt::Text(text.clone())), guess + 8);
    let message = ChatMessage { role: "user".into(), content: text };
    assert_eq!(tokens_of(&Prompt::Chat(vec![message.clone(), message])), 2 * (guess + 9));
}
