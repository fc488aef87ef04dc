/* Attributes and names read by compiled code as the interpreter reads them: each place remembers where it found one.

mypyc knows the layout of the classes it compiles. Of every other object - the records that msgspec stores, members
of enumerations - it asks PyObject_GetAttr, which searches the type each time: a quarter of what a request cost. The
interpreter itself has remembered per place since 3.11 (LOAD_ATTR_SLOT); this does the same for the places in
compiled modules, of which it replaces the calls when hatch_build.py includes it before everything else.

What is remembered holds while the version of the type does. CPython gives a type another version whenever it or a
base of it changes, and never gives the same one twice. Nothing is remembered without that: the call is as before.

Names that a module imports, such as the classes of those records, are looked up in the dict of the module at every
use, and members of modules in theirs. A dict has a version too until CPython 3.12, which changes with whatever is put
into it or taken out: while it stays, the dict holds what was found. hatch_build.py writes OCS_GLOBAL into the code.
*/
#include <Python.h>
#include <structmember.h>

#if defined(__GNUC__) && PY_VERSION_HEX < 0x030E0000 && !defined(PYPY_VERSION) && !defined(Py_GIL_DISABLED)

#define OCS_MOST_MISSES 64 /* a place that sees many types stops remembering */

typedef struct {
    PyObject *name;             /* NULL: nothing is remembered */
    unsigned int version;       /* of the object's type */
    unsigned int class_version; /* of the object itself, where it is a class that has `member` */
    uint64_t dict_version;      /* of the dict of the object, where it is a module that has `member` */
    PyObject *member;           /* not counted: class or module hold it as long as their version stays */
    Py_ssize_t offset;          /* of the slot in the object, where `member` is NULL */
    int misses;
} OcsPlace;

static unsigned int ocs_version(PyTypeObject *type) {
    return PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG) ? (unsigned int)type->tp_version_tag : 0;
}

/* Whether attributes of a class are looked for as `type` does it: a metaclass may have its own way. */
static int ocs_is_plain_metaclass(PyTypeObject *metaclass) {
    static PyObject *name;
    if (name == NULL && (name = PyUnicode_InternFromString("__getattribute__")) == NULL) {
        PyErr_Clear();
        return 0;
    }
    return _PyType_Lookup(metaclass, name) == _PyType_Lookup(&PyType_Type, name);
}

/* The version of a module's dict, 0 where there is none. */
static uint64_t ocs_dict_version(PyObject *module) {
#if PY_VERSION_HEX < 0x030D0000
    return ((PyDictObject *)PyModule_GetDict(module))->ma_version_tag;
#else
    (void)module;
    return 0;
#endif
}

/* Remember the slot of an object, or the member of a class or module, that was just found in the ordinary way. */
static void ocs_remember(OcsPlace *place, PyObject *object, PyObject *name, PyObject *found) {
    PyTypeObject *type = Py_TYPE(object);
    place->name = NULL;
    if (place->misses >= OCS_MOST_MISSES || !PyUnicode_CheckExact(name))
        return;
    place->misses++;
    PyObject *of_type = _PyType_Lookup(type, name); /* gives the type its version, where it can have one */
    unsigned int version = ocs_version(type);
    if (!version)
        return;
    if (of_type != NULL && Py_IS_TYPE(of_type, &PyMemberDescr_Type)) {
        PyMemberDef *slot = ((PyMemberDescrObject *)of_type)->d_member;
        if (type->tp_getattro != PyObject_GenericGetAttr || slot->type != T_OBJECT_EX || slot->flags & ~READONLY)
            return;
        place->offset = slot->offset;
        place->member = NULL;
    } else if (of_type == NULL && type == &PyModule_Type) {
        if (PyDict_GetItemWithError(PyModule_GetDict(object), name) != found)
            return;
        place->dict_version = ocs_dict_version(object);
        if (!place->dict_version)
            return;
        place->member = found;
    } else if (of_type == NULL && PyType_Check(object) && ocs_is_plain_metaclass(type)) {
        PyTypeObject *class = (PyTypeObject *)object;
        if (_PyType_Lookup(class, name) != found || Py_TYPE(found)->tp_descr_get != NULL)
            return;
        place->class_version = ocs_version(class);
        if (!place->class_version)
            return;
        place->dict_version = 0;
        place->member = found;
    } else {
        return;
    }
    place->version = version;
    place->name = name;
}

__attribute__((unused, noinline)) static PyObject *ocs_search(PyObject *object, PyObject *name, OcsPlace *place) {
    PyObject *found = PyObject_GetAttr(object, name);
    if (found != NULL)
        ocs_remember(place, object, name, found);
    return found;
}

__attribute__((unused)) static inline PyObject *ocs_getattr(PyObject *object, PyObject *name, OcsPlace *place) {
    if (__builtin_expect(Py_TYPE(object)->tp_version_tag == place->version && place->name == name, 1)) {
        PyObject *found = place->member;
        if (found == NULL)
            found = *(PyObject **)((char *)object + place->offset);
        else if (place->dict_version ? ocs_dict_version(object) != place->dict_version
                                     : ((PyTypeObject *)object)->tp_version_tag != place->class_version)
            found = NULL;
        if (__builtin_expect(found != NULL, 1)) {
            Py_INCREF(found);
            return found;
        }
    }
    return ocs_search(object, name, place);
}

#if PY_VERSION_HEX < 0x030D0000

typedef struct {
    uint64_t version; /* of the dict */
    PyObject *name;
    PyObject *found; /* not counted: the dict holds it as long as its version stays */
} OcsName;

/* What a dict with a version holds under a name, NULL where nothing was remembered of that version. */
static inline PyObject *ocs_named(PyObject *dict, PyObject *name, OcsName *place) {
    return ((PyDictObject *)dict)->ma_version_tag == place->version && name == place->name ? place->found : NULL;
}

static void ocs_remember_named(PyObject *dict, PyObject *name, PyObject *found, OcsName *place) {
    place->version = ((PyDictObject *)dict)->ma_version_tag;
    place->name = name;
    place->found = found;
}

__attribute__((unused, noinline)) static PyObject *ocs_search_global(
    PyObject *globals, PyObject *name, OcsName *place, PyObject *(*search)(PyObject *, PyObject *)) {
    PyObject *found = search(globals, name);
    if (found != NULL && PyDict_CheckExact(globals))
        ocs_remember_named(globals, name, found, place);
    return found;
}

#define OCS_GLOBAL(globals, name)                                                \
    (__extension__({                                                             \
        static OcsName ocs_name;                                                 \
        PyObject *ocs_found = ocs_named((globals), (name), &ocs_name);           \
        if (__builtin_expect(ocs_found != NULL, 1))                              \
            Py_INCREF(ocs_found);                                                \
        else                                                                     \
            ocs_found = ocs_search_global((globals), (name), &ocs_name, CPyDict_GetItem); \
        ocs_found;                                                               \
    }))

#endif

#define PyObject_GetAttr(object, name)                   \
    (__extension__({                                     \
        static OcsPlace ocs_place;                       \
        ocs_getattr((object), (name), &ocs_place);       \
    }))

#endif
