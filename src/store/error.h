// What can go wrong with a store.
#pragma once

#include <string>

#include "base/result.h"

namespace latchkey::store {

enum class ErrorCode {
  kIo,        // the disk or its permissions; also: a commit failed earlier and nothing is certain
  kCorrupt,   // the file is not what this program wrote
  kTooNew,    // written by a newer version of this program
  kBusy,      // another process has the store open
  kConflict,  // contradicts what is stored: the host is taken, the row is there already
  kNotFound,  // the row to be changed is not there
  kLocked,    // what keeps the store's key must be opened first, or said no
  kKeyGone,   // what keeps the store's key does not have it any more
  kNoRoom,    // the disk is full
  kNoKeeper,  // what keeps the store's key cannot be reached now
};

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string detail;  // for logs; never holds key material
};

template <class T>
using Result = latchkey::Result<T, Error>;

}  // namespace latchkey::store
