// Accepting connections, for every server here alike: one that runs out of descriptors waits a
// little instead of spinning, and an error of one connection is not the listener's. And connecting
// to a Unix socket.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "net/local_message.h"
#include "net/stream.h"
#include "net/task.h"

namespace latchkey::net {

using PeerAddress = boost::asio::generic::stream_protocol::endpoint;

// Hands each connection to `take`, until the listener is closed or this is cancelled.
Task<void> accept_each(std::shared_ptr<WatchedFd> listener,
                       std::function<void(OwnedFd, const PeerAddress&)> take);

// Under which a TCP peer is counted: its IPv4 address, or the 64 bits of IPv6 that one host may
// have all of.
std::string peer_key(const PeerAddress& peer);
// Its address for people.
std::string peer_text(const PeerAddress& peer);

// A client's connection to a Unix socket, an absolute path. kRefused where nobody listens, where it
// is not for us, or where too many wait there.
Result<std::unique_ptr<FdStream>> connect_unix(Executor executor, const std::string& path);

}  // namespace latchkey::net
