"""The recipes of scripts/resource_servers/, each built with its locked packages and started as its README says."""
