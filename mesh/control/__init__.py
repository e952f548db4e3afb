"""The API's requests and replies, as typed messages."""
