"""The bounds of histograms of time, in seconds."""

# What somebody waits for: dense around the target of 200 ms, and up to the longest that a client waits.
ANSWERS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What happens behind a customer's back: a purchase, a callback on its way; up to an hour.
WORK = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
