//! PostgreSQL protocol 3.0–3.2: bytes to typed views and back, SCRAM; no I/O.
