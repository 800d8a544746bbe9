"""The actions, by subject: one transaction and one audit event per change. They decide; the interfaces only print."""
