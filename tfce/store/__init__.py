"""The files of one queue, and who may write them. Start at ``workspace``.

- A queue's folder and record: workspace, record_file, journal, variable_files, network_zones, takeover.
- Reading and writing safely: files, named, locks, slots, holder, scratch.
- Records and journals of several hosts: shared_document, shared_record, shared_ce, other_hosts.
- The other queues of a CE: ce_queues.
- For people: review_copies, meters, traces, crash.
- Who writes, and whose a record is: installation, whose, actor.
"""
