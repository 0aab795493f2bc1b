//! Ready-to-paste commands for the clients of an emulator.
