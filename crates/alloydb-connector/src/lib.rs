//! Connects to AlloyDB: instance URI in, authenticated TLS 1.3 stream out.
