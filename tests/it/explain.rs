//! `explain decrypt`: what is wrong with a reader's message is named, and what is right is left
//! alone.
