// Who is at the other end of a Unix socket, as the kernel recorded it when the connection was made.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "platform/error.h"

namespace latchkey::platform {

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// SO_PEERCRED (unix(7)). `fd` is a connected Unix stream socket; it stays the caller's.
Result<PeerCredentials, Error> peer_credentials(int fd);

// Whether the peer runs as this process's user: all that an agent talks to. Any doubt is no.
bool peer_is_this_user(int fd);

}  // namespace latchkey::platform
