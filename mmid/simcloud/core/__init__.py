"""What every simulated cloud needs: TLS, HTTP, the journal, faults, scenarios, sound."""
