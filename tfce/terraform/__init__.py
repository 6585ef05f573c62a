"""The Terraform edge: programs, modules, runs. Start at ``runner``.

- What a queue can ask: runner, bulk, results.
- One run: runs, process, run_lock, calls.
- Which Terraform and provider: toolchain, programs, embedded, providers, pins.
- The workspace's folder: preparation, modules, variables, literals, settings_guard, torn.
- State, here or in a backend: state, state_reader, locations, remote, document_store, http_states, refusals.
"""
