#include "platform/peer_credentials.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace latchkey::platform {

Result<PeerCredentials, Error> peer_credentials(int fd) {
  int domain = 0;
  socklen_t domain_size = sizeof domain;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) != 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return fail(system_error("cannot tell who is connected", errno));
  }
  // Other sockets answer with nobody, and an unconnected one with process 0.
  if (domain != AF_UNIX || size != sizeof peer || peer.pid == 0) {
    return fail(Error{Error::Code::kMisuse, "not a connected Unix socket", {}});
  }
  return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

bool peer_is_this_user(int fd) {
  const auto peer = peer_credentials(fd);
  return peer && peer->uid == ::geteuid();
}

}  // namespace latchkey::platform
