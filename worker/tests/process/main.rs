//! The real worker under its whole lockdown, with the test in the broker's place.

#[cfg(test)]
mod boot;
#[cfg(test)]
mod caching;
#[cfg(test)]
mod embed;
#[cfg(test)]
mod files;
mod generate;
#[cfg(test)]
mod gpu;
#[cfg(test)]
mod grammars;
#[cfg(test)]
mod inspecting;
mod pausing;
#[cfg(test)]
mod player;
#[cfg(test)]
mod refuse;
#[cfg(test)]
mod sampling;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod tokens;
