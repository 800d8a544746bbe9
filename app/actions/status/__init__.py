"""Status lists: an index for what JWTs are decided from, judged again with every change that it depends on."""
