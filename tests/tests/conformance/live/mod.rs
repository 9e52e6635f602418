//! Rows that look at a worker or a broker while it serves.

mod alive;
mod attack;
mod causes;
mod client;
mod control;
mod crash;
mod degraded;
mod domain;
mod door;
mod elsewhere;
mod filters;
pub(crate) mod itself;
mod layers;
mod life;
pub(crate) mod look;
mod memory;
mod needs;
mod network;
mod reading;
mod rights;
mod rings;
mod symbols;

use core_tests::harness::{Broker, Setup};

/// A row and how it is checked.
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: &'static str,
    /// What is looked at.
    pub(crate) what: &'static str,
    /// The check.
    pub(crate) check: fn() -> Setup<()>,
}

/// All rows of this kind, by what they do.
pub(crate) fn all() -> [Vec<Row>; 6] {
    [looked_at(), held(), attacked(), asked(), started(), proven_elsewhere()]
}

fn row(id: &'static str, what: &'static str, check: fn() -> Setup<()>) -> Row {
    Row { id, what, check }
}

fn looked_at() -> Vec<Row> {
    vec![
        row("D01", "descriptors at READY are exactly 0 to 3", look::descriptors),
        row("D03", "no terminal, no controlling terminal", look::no_terminal),
        row("F06", "what is made by mistake is for its user alone", look::umask),
        row("D05", "argv names nothing but the program", look::arguments),
        row("R01", "limits, hard and soft alike", look::limits),
        row("R06", "the worker is the kernel's first choice", look::oom_score),
        row("F26", "no device is open", look::no_socket_no_device),
        row("N13", "no namespace is shared with the broker", look::namespaces),
        row("N13", "a loopback that is down and has no address", look::counters),
        row("N14", "nothing has passed through its network", look::counters),
        row("N15", "no socket is open", look::no_socket_no_device),
        row("P14", "no core by size, and hidden from any handler", look::no_core),
        row("P21", "every thread is filtered, under load too", look::threads),
    ]
}

fn held() -> Vec<Row> {
    vec![
        row("S01", "the shipped filters, 20 calls at most, on all threads", filters::narrow),
        row("S01", "numbers and arguments as reviewed", filters::golden),
        row("S02", "no x32 and no i386 call passes them", filters::other_abis_are_closed),
        row("N17", "what the kernel holds for a broker", filters::broker_makes_no_socket),
        row("H04", "the rings keep their size", rings::no_resize),
        row("H06", "a worker cannot write what the broker writes", rings::no_write),
        row("H07", "the seals are these and no others", rings::seals),
        row("H07", "a seal that is forgotten stops the broker", rings::a_forgotten_seal_stops_it),
        row("H08", "the ring that the broker writes cannot be made writable", rings::read_only),
    ]
}

fn attacked() -> Vec<Row> {
    // What changes something of the whole machine is tried only where that is allowed.
    let piped = row("P14", "a crash reaches no handler of cores", crash::no_core_is_piped);
    let piped = std::env::var_os(crash::PIPE).map(|_| piped);
    let rows = vec![
        row("N01", "a live worker opens a socket: it dies, its client is told", attack::socket),
        row("N17", "a broker tries every address family", domain::sockets),
        row("F07", "the broker writes temp/ and cache/ only", domain::writes),
        row("F06", "each right of a worker's domain denies by itself", rights::of_a_worker),
        row("M02", "memory becomes no code without any filter", rights::memory_of_a_worker),
        row("H08", "the mappings of both rings stay as they are", rights::rings_of_a_worker),
        row("P18", "each condition of the broker's filter denies", rights::of_a_broker),
        row("F12", "a broker executes nothing else", domain::executes),
        row("F12", "the interpreter gains a broker nothing", domain::the_interpreter_gains_nothing),
        row("P14", "a crash leaves no core", crash::no_core_is_left),
        row("P16", "no_new_privs holds by itself", layers::set_user_id),
        row("P27", "crashes of six kinds on the thread that serves", crash::on_main),
        row("P27", "crashes of five kinds on a thread of the team", crash::on_member),
        row("P27", "crashes of five kinds while a model is read", crash::while_loading),
        row("P27", "a worker that is refused memory", causes::refused_memory),
        row("P28", "a failed assertion of ggml", crash::assertion),
        row("P28", "who is told which assertion it was", causes::assertion_is_told),
        row("M08", "twice the budget, beside another worker", layers::beyond_the_budget),
        row("R06", "memory runs out", memory::the_worker_dies_first),
        row("R03", "the limit on files holds by itself", layers::no_disk_is_filled),
    ];
    rows.into_iter().chain(piped).collect()
}

fn asked() -> Vec<Row> {
    vec![
        row("F22", "names that would be paths", alive::names),
        row("S10", "tokens, prompts, cancels and refusals, on two threads", alive::alive),
        row("S10", "the same on one thread, without OpenMP's team", alive::alive_alone),
        row("S10", "calls that only some machines make", needs::of_a_worker),
        row("S10", "calls that a broker makes on some machines only", needs::of_a_broker),
        row("S10", "the same tokens as without a sandbox", alive::same_tokens),
        row("P22", "two hundred starts", alive::starts),
        row("N14", "a name is looked up", network::lookup),
        row("I01", "another user", door::another_user),
        row("I02", "two hundred wrong tokens", door::wrong_tokens),
        row("I03", "a recorded handshake", door::replay),
        row("I05", "a session id of somebody else", door::foreign_session),
        row("I06", "silence, and a byte a second", door::silence),
        row("I10", "253 descriptors in one message", door::descriptors),
        row("I10", "malformed control messages", control::malformed),
        row("I11", "lengths that lie", door::lengths),
        row("I12", "the token is searched for", door::token_is_nowhere),
    ]
}

fn started() -> Vec<Row> {
    vec![
        row("I09", "open, linked and foreign directories", life::prepared_directory),
        row("I14", "two brokers, one socket", life::second_broker),
        row("L01", "kills at many moments", life::killed),
        row("L03", "every helper thread ends", life::a_helper_ends),
        row("L04", "started as root", life::root_is_given_up),
        row("L04", "a thread that is older than main", life::an_early_thread_is_noticed),
        row("L06", "ten layers, one missing at a time", degraded::matrix),
        row("L06", "older versions of Landlock", degraded::abis),
        row("L06", "the probe says it before any start", degraded::probed),
        row("L06", "no user namespaces", degraded::no_user_namespaces),
        row("L06", "no memory cgroup", degraded::no_cgroup),
        row("L07", "models/ missing or unreadable", life::unreadable_paths),
    ]
}

fn proven_elsewhere() -> Vec<Row> {
    vec![
        row("L03", "a worker is started by main alone", elsewhere::main_thread_alone),
        row("R03", "the broker's cache keeps its quota", elsewhere::quota),
        row("S05", "no rule can be deleted unnoticed", elsewhere::mutants),
        row("S06", "mistakes that end the build", elsewhere::empty_conditions),
        row("S07", "every call and class of arguments", elsewhere::two_interpreters),
        row("H14", "models of every interleaving", elsewhere::ring_models),
        row("H14", "Miri", elsewhere::miri),
        row("T02", "the kill ratio", elsewhere::mutants),
    ]
}

/// A broker with the model that ships, which no worker has loaded yet.
fn with_model() -> Setup<Broker> {
    Broker::with_story()
}

fn ready() -> Setup<(Broker, u32)> {
    let broker = Broker::with_story()?;
    let worker = broker.try_load("story")?;
    Ok((broker, worker))
}

/// A worker whose streams outlast what is done to it.
fn busy() -> Setup<(Broker, u32)> {
    let broker = Broker::with_long()?;
    let worker = broker.try_load("long")?;
    Ok((broker, worker))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Setup<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or("nothing was printed").to_owned()
}
