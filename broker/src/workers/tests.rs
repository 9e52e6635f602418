mod contexts;
mod cores;
mod deaths;
mod feeding;
mod lies;
mod process;
mod said;
