"""What a domain publishes about its servers, source by source; and what becomes of it."""
