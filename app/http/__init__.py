"""The context of a request, read at the edge: address, request id, browser session, certificate, proof."""
