// Inside discovery: a library that is opened when it is needed, in a scope of its own.
//
// libavahi-client and libavahi-core both export avahi_entry_group_free() and mean different things
// by it: linked into one program, whichever comes second calls the other's and aborts. Opened with
// RTLD_LOCAL each finds its own. A machine also needs only the one that it uses.
#pragma once

#include <dlfcn.h>

#include <string>

#include "base/result.h"
#include "discovery/service.h"

namespace latchkey::discovery {

class SharedLibrary {
 public:
  // Stays open until the program ends: Avahi keeps callbacks into it.
  explicit SharedLibrary(const char* name)
      : name_(name), handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}

  template <class Function>
  void find(const char* symbol, Function& function) {
    void* address = handle_ != nullptr ? ::dlsym(handle_, symbol) : nullptr;
    complete_ = complete_ && address != nullptr;
    function = reinterpret_cast<Function>(address);
  }

  // Whether it was opened and every function so far was found.
  [[nodiscard]] Result<void, Error> usable() const {
    if (!complete_) {
      return fail(Error{Error::Code::kUnavailable, std::string(name_) + " is not installed"});
    }
    return {};
  }

 private:
  const char* name_;
  void* handle_;
  bool complete_ = true;
};

}  // namespace latchkey::discovery
