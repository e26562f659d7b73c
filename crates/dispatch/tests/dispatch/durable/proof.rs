//! The proof that these lives can fail: whatever is done wrong around dispatch is seen.
