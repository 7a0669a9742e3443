// How both ends put a message on the wire: sealed once there is a channel. Private to src/enroll.
#pragma once

#include <optional>

#include "pairing/session.h"
#include "wire/error.h"

namespace latchkey::enroll {

// One sealed frame, with its length.
Bytes sealed_frame(pairing::Established& channel, ByteSpan plaintext);

// The last frame of a session that failed; nothing where the peer said the error itself.
std::optional<Bytes> farewell_frame(std::optional<pairing::Established>& channel,
                                    const wire::Error& error);

}  // namespace latchkey::enroll
