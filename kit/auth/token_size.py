"""The maximum size of an access token, for all that have to leave room for one."""

# A typical token has 1 to 2 KiB and grows with user_metadata and app_metadata. HTTP headers, gRPC metadata
# and connection_init all have room for this many bytes.
MAX_TOKEN_BYTES = 16 * 1024
