"""What repairs after faults."""
