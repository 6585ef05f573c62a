"""What pilots and VMs are, and what happens to them. Pure: the standard library only.

- Pilots and VMs: pilot, vm, vm_spec, userdata, proxy, images.
- A queue's memory: record, record_parts, fields, lease.
- Record, state and cloud joined, and what to do: reconcile, case, policy, endings.
- How pilots end: verdicts, health, console.
- Whether pilots may start: hold, drain, review, offering_backoffs, batches.
- Use and money: allocation, usage, usage_records, spending, price, account, apel.
- The journal, read: entries, journals, timeline.
- For people and monitoring: overview, why, figures, metrics, trace, plurals.
- Errors and secrets: errors, reasons, redact.
- A process that forks: fork.
"""
