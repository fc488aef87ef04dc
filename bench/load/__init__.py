"""What measurements and long runs share: a Diameter client's bytes, servers to compare with, a real `ocs serve`."""
