//! What became of every mutant: a line each, and the sums.

use std::{
    collections::BTreeMap,
    fs,
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use core_tests::harness::{Setup, install::release_dir};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::explained;

/// What the suite says about one mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// This went red.
    Killed(String),
    /// Nothing did.
    Survived,
}

/// The bound; what survives has an explanation besides.
const KILLED_MIN: f64 = 0.95;

/// Everything that was tried.
pub(crate) struct Report {
    began: Instant,
    told: Vec<(String, Verdict)>,
    not_run: Vec<String>,
}

#[derive(Clone, Debug)]
enum Verdict {
    Killed(String),
    Explained(&'static str),
    Survived,
    /// The run itself failed; never a kill.
    Invalid(String),
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), told: Vec::new(), not_run: Vec::new() }
    }

    /// Takes one mutant in, and prints its line. A mutant that could not be made is no kill.
    pub(crate) fn tell(&mut self, id: &str, fate: Setup<Fate>) {
        let verdict = match fate {
            Ok(Fate::Killed(by)) => Verdict::Killed(by),
            Ok(Fate::Survived) => explained::of(id).map_or(Verdict::Survived, Verdict::Explained),
            Err(error) => Verdict::Invalid(error.to_string()),
        };
        match &verdict {
            Verdict::Killed(by) => println!("killed     {id}: {}", one_line(by)),
            Verdict::Explained(why) => println!("explained  {id}: {why}"),
            Verdict::Survived => println!("SURVIVED   {id}"),
            Verdict::Invalid(why) => println!("INVALID    {id}: {}", one_line(why)),
        }
        self.told.push((id.to_owned(), verdict));
    }

    /// What is no part of the sums.
    pub(crate) fn not_run(&mut self, ids: Vec<String>) {
        for id in &ids {
            println!("not run    {id}: needs a build");
        }
        self.not_run = ids;
    }

    /// Prints the sums and, for a run of everything, writes them.
    pub(crate) fn end(self, whole: bool) -> ExitCode {
        let count = |wanted: fn(&Verdict) -> bool| {
            self.told.iter().filter(|(_, verdict)| wanted(verdict)).count()
        };
        let killed = count(|verdict| matches!(verdict, Verdict::Killed(_)));
        let explained = count(|verdict| matches!(verdict, Verdict::Explained(_)));
        let mutants = self.told.len();
        let unexplained = mutants - killed - explained;
        let ratio = ratio(killed, mutants);
        let seconds = self.began.elapsed().as_secs();
        println!(
            "\n{mutants} mutants, {killed} killed ({:.1} %), {explained} explained, {unexplained} \
             neither, {} not run, {seconds} s",
            ratio * 100.0,
            self.not_run.len()
        );
        let sets = self.sets();
        let sums = json!({
            "mutants": mutants, "killed": killed, "explained": explained,
            "unexplained": unexplained, "kill_ratio": ratio, "not_run": self.not_run.len(),
            "sets": sets,
        });
        if whole && let Err(error) = self.write(sums) {
            println!("the summary could not be written: {error}");
            return ExitCode::FAILURE;
        }
        let good = mutants > 0 && unexplained == 0 && (!whole || ratio >= KILLED_MIN);
        ExitCode::from(u8::from(!good))
    }

    /// Mutants and kills of each set: what is taken from a worker and what from a broker.
    fn sets(&self) -> Value {
        let mut sets: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (id, verdict) in &self.told {
            let set = id.split('/').take(2).collect::<Vec<_>>().join("/");
            let set =
                if id.starts_with("boot") || id.starts_with("seal") { &id[..4] } else { &set };
            let sum = sets.entry(set.to_owned()).or_default();
            sum.0 += 1;
            sum.1 += usize::from(matches!(verdict, Verdict::Killed(_)));
        }
        for (set, (mutants, killed)) in &sets {
            println!("{set}: {killed} of {mutants} killed");
        }
        let told = |(set, (mutants, killed)): (String, (usize, usize))| {
            (set, json!({"mutants": mutants, "killed": killed}))
        };
        Value::Object(sets.into_iter().map(told).collect())
    }

    fn write(&self, mut sums: Value) -> Setup<()> {
        let release = release_dir()?;
        let dir = release.parent().ok_or("a release directory without a parent")?.join("mutate");
        fs::create_dir_all(&dir)?;
        let mut programs = serde_json::Map::new();
        for name in ["core-broker", "core-worker", "corectl"] {
            let hash = Sha256::digest(fs::read(release.join(name))?);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            programs.insert(name.into(), hash.into());
        }
        let survivors: Vec<Value> = self.told.iter().filter_map(survivor).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        sums["at_s"] = now.into();
        sums["seconds"] = self.began.elapsed().as_secs().into();
        sums["sha256"] = programs.into();
        sums["survivors"] = survivors.into();
        let file = dir.join("summary.json");
        fs::write(&file, serde_json::to_string_pretty(&sums)?)?;
        println!("{}", file.display());
        Ok(())
    }
}

fn survivor((id, verdict): &(String, Verdict)) -> Option<Value> {
    let (state, why) = match verdict {
        Verdict::Killed(_) => return None,
        Verdict::Explained(why) => ("explained", (*why).to_owned()),
        Verdict::Survived => ("survived", String::new()),
        Verdict::Invalid(why) => ("invalid", why.clone()),
    };
    Some(json!({"mutant": id, "state": state, "why": why}))
}

fn ratio(killed: usize, mutants: usize) -> f64 {
    let of = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if mutants == 0 { 0.0 } else { of(killed) / of(mutants) }
}

/// The beginning of a message: a broker's log would fill pages.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LINE_MAX).collect()
}

/// Characters of a message: enough for a row's verdict and the worker's last words.
const LINE_MAX: usize = 240;
