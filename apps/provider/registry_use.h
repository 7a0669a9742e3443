// How commands go through the rules of src/provider, and tell what came of it.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "context.h"
#include "provider/registry.h"
#include "well_known_fetch.h"

namespace latchkey::providerd {

// Opens the records and hands the registry over.
template <class F>
void use_registry(Context& context, F&& work) {
  if (provider::Records* known = records(context)) {
    const auto well_known = fetch_well_known({context.ca_file, context.allow_private});
    provider::Registry registry(*known, *well_known);
    work(registry);
  }
}

// Prints what there is with `show`, or complains.
template <class T, class F>
void report(Context& context, const provider::Result<T>& result, F&& show) {
  if (result) {
    show(*result);
  } else {
    complain(context, result.error());
  }
}

inline void report_done(Context& context, const provider::Result<void>& done,
                        const nlohmann::json& document, const std::string& text) {
  if (done) {
    answer(context, document, text);
  } else {
    complain(context, done.error());
  }
}

inline void add_page_options(CLI::App& command, provider::Page& page) {
  command.add_option("--after", page.after, "Go on after this one (the last of the page before)");
  command.add_option("--limit", page.limit, "How many lines, up to 1000")->capture_default_str();
}

}  // namespace latchkey::providerd
