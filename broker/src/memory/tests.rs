use core_wire::code::Code;

use super::Budget;

#[test]
fn charges_add_up_and_come_back() {
    let budget = Budget::new(10, "prompt");
    let first = budget.charge(6).unwrap();
    let refusal = budget.charge(5).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(refusal.retry_after_ms.is_some());
    for number in ["5", "6", "10"] {
        assert!(refusal.message.contains(number), "{}", refusal.message);
    }
    let second = budget.charge(4).unwrap();
    drop(first);
    drop(budget.charge(6).unwrap());
    drop(second);
    drop(budget.charge(10).unwrap());
}
