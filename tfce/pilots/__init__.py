"""The verbs over a queue's pilots: submit, poll, reap, audit, repair ... Start at ``fleet``.

- The front, and what all verbs share: fleet, services, meter.
- Starting pilots: submit, submission, launch, settling, batching, recipes.
- How many may start, and of what: admission, holds, allocations, offering_choice, images, network_zones.
- States for DIRAC: poll.
- Removing pilots: reap, kill, sweep, drain, backend_down.
- Doing what was decided: execute.
- Crashes and damage: recovery, audit, drift.
- Why pilots come to nothing: health, why, consoles.
- Looking at one queue or one pilot: overview, naming, pilot_log, history.
- Accounts, money and reports: accounting, report, spending_metrics, exposition.
- Moving: move, migration.
"""
