"""The outbox: messages written in the transaction of the change that they report, for delivery after its commit."""
