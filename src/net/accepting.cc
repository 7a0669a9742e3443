#include "net/accepting.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kPause{200};  // after accept() ran out of something

asio::ip::address ip_of(const PeerAddress& peer) {
  asio::ip::tcp::endpoint endpoint;
  if (peer.size() > endpoint.capacity()) {
    return {};
  }
  std::memcpy(endpoint.data(), peer.data(), peer.size());
  endpoint.resize(peer.size());
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace

Task<void> accept_each(std::shared_ptr<WatchedFd> listener,
                       std::function<void(OwnedFd, const PeerAddress&)> take) {
  while (listener->is_open()) {
    PeerAddress peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int fd = ::accept4(listener->fd(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) {
        (void)co_await listener->wait(WatchedFd::Side::kRead, kNoDeadline);
      } else if (errno != EINTR && errno != ECONNABORTED) {
        co_await sleep_until(after(kPause));
      }
      continue;
    }
    peer.resize(size);
    take(OwnedFd(fd), peer);
  }
}

std::string peer_key(const PeerAddress& peer) {
  const auto address = ip_of(peer);
  if (address.is_v4()) {
    return address.to_string();
  }
  auto bytes = address.to_v6().to_bytes();
  std::memset(bytes.data() + 8, 0, 8);
  return asio::ip::address_v6(bytes).to_string();
}

std::string peer_text(const PeerAddress& peer) {
  return ip_of(peer).to_string();
}

Result<std::unique_ptr<FdStream>> connect_unix(Executor executor, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Error{Error::Code::kRefused, "the path of the socket is too long"});
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Such a connection is there at once, or not at all.
  if (!fd.is_open() ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(Error{Error::Code::kRefused, std::generic_category().message(errno)});
  }
  return std::make_unique<FdStream>(std::move(executor), fd.release());
}

}  // namespace latchkey::net
