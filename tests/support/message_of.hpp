// Message of an exception.
#pragma once

#include <functional>
#include <string>
#include <typeinfo>

/// The message of the exception that `f` throws, if its type is E and nothing derived from it.
template <class E>
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& e) {
    if (typeid(e) == typeid(E)) return e.what();
    return std::string("another type of exception: ") + e.what();
  }
  return "nothing was thrown";
}
