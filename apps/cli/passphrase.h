// Passphrases: typed without being shown, or read from an open file; never an argument of a
// command.
#pragma once

#include <string>
#include <string_view>

#include "outcome.h"

namespace latchkey::cli {

enum class Passphrase { kOld, kNew };  // a new one is asked for twice, and has 8 characters or more

// `fd`: the next line of this open file; below 0: asks at the terminal. The caller wipes it.
Result<std::string> read_passphrase(int fd, std::string_view question, Passphrase which);

// The same for a secret of any length to 1024 bytes, which may be empty. `option`: how it can be
// given where nobody is there to be asked, such as --passphrase-fd.
Result<std::string> read_secret(int fd, std::string_view question, std::string_view option);

// Overwrites a secret in a way the compiler may not leave out.
void wipe_text(std::string& text);

}  // namespace latchkey::cli
