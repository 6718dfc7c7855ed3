//! Who may do what: keys and tokens, the calls there are, and what each needs.
//!
//! ```text
//! table   every path and rpc: the right that it needs, and of what
//! keys    keys by their hashes; one of them, or a token, says what its bearer may
//! jwt     tokens that somebody else signed with our secret
//! rate    how often and how much at once one caller may ask
//! audit   who did what, a line each
//! ```
//!
//! A request meets these once, before any handler ([`crate::turnstile`]). What a call names deep in its body is asked
//! for in [`crate::engine::access`], where names become collections.

pub(crate) mod audit;
pub(crate) mod jwt;
pub mod keys;
pub(crate) mod rate;
pub(crate) mod table;
