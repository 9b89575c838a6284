"""Teachers behind a URL: chat servers, Batch APIs, their endpoints and keys."""
