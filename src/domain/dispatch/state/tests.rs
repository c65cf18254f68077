use super::*;
use crate::domain::dispatch::testing::{after, task};
