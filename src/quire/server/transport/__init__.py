"""How clients reach the server: standard streams, a unix socket, WebSocket."""
