"""Blender, in a process of its own: the only file of the project that imports ``bpy``.

Started as a script by ``scans.render.blender.renderer`` in a folder of theirs. The first line on stdin is
``{"settings": FILE, "lifeline": N}``. Each further one names a JSON file that says what to render, and is answered by a
line of JSON on stdout. Meshes come as npz files, pictures go as multilayer EXR files. The lifeline is the reading end
of a pipe that the parent holds open: when the parent is gone, however it ended, the kernel ends this process, be it
deep in Blender.

Everything here is in Blender's axes and in frames: the parent has turned and scaled what comes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

Json = dict[str, Any]


def main() -> None:
    beginning: Json = json.loads(sys.stdin.readline())
    _end_with_parent(beginning["lifeline"])
    answers = os.fdopen(os.dup(1), "w")
    _silence()
    settings: Json = json.loads(Path(beginning["settings"]).read_text(encoding="utf-8"))
    os.putenv("TMPDIR", str(Path.cwd()))  # Blender's own temporary files are removed with ours
    import bpy  # prints a traceback about numpy 1 where numpy is 2: an audio module that nobody needs

    try:
        studio = _Studio(bpy, settings)
    except _NoDeviceError as error:
        _answer(answers, {"no_device": str(error)})
        return
    _answer(answers, {"ready": bpy.app.version_string})
    for line in sys.stdin:
        try:
            studio.render(json.loads(Path(line.strip()).read_text(encoding="utf-8")))
        except Exception as error:  # noqa: BLE001 - one scan's trouble; the parent decides what becomes of it
            _answer(answers, {"error": f"{type(error).__name__}: {error}"})
        else:
            _answer(answers, {"done": True})


class _NoDeviceError(RuntimeError):
    pass


class _Studio:
    """One scene, whose camera, lights and settings stay while scans come and go."""

    def __init__(self, bpy: Any, settings: Json) -> None:
        from mathutils import Matrix  # part of bpy

        self._bpy, self._settings, self._Matrix = bpy, settings, Matrix
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = bpy.context.scene
        self._set_up_cycles()
        self._camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self._scene.collection.objects.link(self._camera)
        self._scene.camera = self._camera
        self._set_up_world()

    def render(self, request: Json) -> None:
        self._scene.render.resolution_x = self._scene.render.resolution_y = request["size"]
        with np.load(request["mesh"], allow_pickle=False) as arrays:
            built = self._build(dict(arrays), request.get("texture"))
        try:
            for number, view in enumerate(request["views"], 1):
                self._point(view)
                # Views of a scan share its acceleration structure. After the last, what Cycles holds is let go: kept,
                # it would never forget a texture.
                self._scene.render.use_persistent_data = number < len(request["views"])
                self._scene.render.filepath = view["file"]
                self._bpy.ops.render.render(write_still=True)
        finally:
            self._forget(built)

    def _set_up_cycles(self) -> None:
        scene, settings = self._scene, self._settings
        scene.render.engine = "CYCLES"
        render, cycles, layer = scene.render, scene.cycles, self._bpy.context.view_layer
        self._choose_device()
        cycles.samples, cycles.seed = settings["samples"], settings["seed"]
        cycles.use_adaptive_sampling = False  # its stopping would make pixels depend on their neighbours
        cycles.use_denoising = settings["denoise"]
        if settings["denoise"]:
            cycles.denoiser, cycles.denoising_use_gpu = "OPENIMAGEDENOISE", settings["device"] != "CPU"
        direct = settings["shading"] == "direct"
        cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 0 if direct else settings["bounces"]
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.pixel_filter_type = settings["pixel_filter"].upper().replace("-", "_")
        cycles.filter_width = 1.0 if settings["pixel_filter"] == "box" else 1.5
        render.threads_mode, render.threads = "FIXED", settings["threads"]
        render.film_transparent = True
        render.resolution_percentage = 100
        render.use_compositing = render.use_sequencer = False
        layer.use_pass_combined = layer.use_pass_normal = layer.use_pass_z = True
        image = render.image_settings
        image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"

    def _choose_device(self) -> None:
        kind = self._settings["device"]
        if kind == "CPU":
            self._scene.cycles.device = "CPU"
            return
        chosen = self._bpy.context.preferences.addons["cycles"].preferences
        chosen.compute_device_type = kind
        chosen.get_devices()
        for device in chosen.devices:
            device.use = device.type == kind
        if not any(device.use for device in chosen.devices):  # Cycles would render on the CPU and say nothing
            raise _NoDeviceError(f"Cycles finds {', '.join(sorted({d.type for d in chosen.devices})) or 'nothing'}")
        self._scene.cycles.device = "GPU"

    def _set_up_world(self) -> None:
        bpy, lights = self._bpy, self._settings["lights"]
        self._scene.world = world = bpy.data.worlds.new("world")
        world.use_nodes = True
        traced = self._settings["shading"] == "traced"
        grey = lights["ambient"] if traced else 0.0
        world.node_tree.nodes["Background"].inputs["Color"].default_value = (grey, grey, grey, 1.0)
        world.node_tree.nodes["Background"].inputs["Strength"].default_value = 1.0
        for sun in lights["suns"] if traced else ():
            lamp = bpy.data.lights.new("sun", "SUN")
            lamp.energy, lamp.use_shadow = sun["energy"], False
            lamp_object = bpy.data.objects.new("sun", lamp)
            lamp_object.matrix_world = self._Matrix(_looking_back_along(sun["towards"]))
            self._scene.collection.objects.link(lamp_object)

    def _build(self, arrays: dict[str, np.ndarray[Any, Any]], texture: str | None) -> tuple[Any, ...]:
        """The scan as an object with its mesh, material and image, in the scene."""
        bpy = self._bpy
        vertices, faces = arrays["vertices"], arrays["faces"]
        mesh = bpy.data.meshes.new("scan")
        mesh.vertices.add(len(vertices))
        mesh.vertices.foreach_set("co", vertices.ravel())
        mesh.loops.add(faces.size)
        mesh.loops.foreach_set("vertex_index", faces.ravel())
        mesh.polygons.add(len(faces))
        mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
        mesh.update(calc_edges=True)
        image = None
        if texture is None:
            attribute = mesh.attributes.new("colour", "FLOAT_COLOR", "POINT")
            attribute.data.foreach_set("color", arrays["colors"].ravel())
        else:
            image = bpy.data.images.load(texture)
            image.colorspace_settings.name = "sRGB"
            mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", arrays["corner_uvs"].ravel())
        mesh.shade_smooth()
        material = self._material(image)
        mesh.materials.append(material)
        scan = bpy.data.objects.new("scan", mesh)
        self._scene.collection.objects.link(scan)
        return scan, mesh, material, image

    def _material(self, image: Any) -> Any:
        material = self._bpy.data.materials.new("scan")
        material.use_nodes = True
        tree = material.node_tree
        tree.nodes.clear()
        if image is None:
            source = tree.nodes.new("ShaderNodeAttribute")
            source.attribute_name = "colour"
        else:
            source = tree.nodes.new("ShaderNodeTexImage")
            source.image, source.extension = image, "EXTEND"
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        if self._settings["shading"] == "direct":
            surface = tree.nodes.new("ShaderNodeEmission")
            tree.links.new(self._arriving_light(tree), surface.inputs["Strength"])
            color = surface.inputs["Color"]
        elif self._settings["material"] == "principled":
            surface = tree.nodes.new("ShaderNodeBsdfPrincipled")
            color = surface.inputs["Base Color"]
        else:
            surface = tree.nodes.new("ShaderNodeBsdfDiffuse")
            color = surface.inputs["Color"]
        tree.links.new(source.outputs["Color"], color)
        tree.links.new(surface.outputs[0], output.inputs["Surface"])
        return material

    def _arriving_light(self, tree: Any) -> Any:
        """Socket of ambient + sum of energy / pi * max(0, n . towards), which is what a diffuse surface sends back."""
        lights = self._settings["lights"]
        normal = tree.nodes.new("ShaderNodeNewGeometry").outputs["Normal"]
        total = tree.nodes.new("ShaderNodeValue").outputs[0]
        total.default_value = lights["ambient"]
        for sun in lights["suns"]:
            facing = tree.nodes.new("ShaderNodeVectorMath")
            facing.operation = "DOT_PRODUCT"
            tree.links.new(normal, facing.inputs[0])
            facing.inputs[1].default_value = sun["towards"]
            lit = tree.nodes.new("ShaderNodeMath")
            lit.operation = "MAXIMUM"
            tree.links.new(facing.outputs["Value"], lit.inputs[0])
            lit.inputs[1].default_value = 0.0
            added = tree.nodes.new("ShaderNodeMath")
            added.operation = "MULTIPLY_ADD"
            tree.links.new(lit.outputs[0], added.inputs[0])
            added.inputs[1].default_value = sun["energy"] / np.pi
            tree.links.new(total, added.inputs[2])
            total = added.outputs[0]
        return total

    def _point(self, view: Json) -> None:
        camera = self._camera.data
        if view["lens_mm"] is None:
            camera.type, camera.ortho_scale = "ORTHO", 1.0
        else:
            camera.type, camera.lens, camera.sensor_width = "PERSP", view["lens_mm"], view["sensor_mm"]
        camera.clip_start, camera.clip_end = 0.01, 100.0
        self._camera.matrix_world = self._Matrix(view["matrix"])

    def _forget(self, built: tuple[Any, ...]) -> None:
        data = self._bpy.data
        for block, kind in zip(built, (data.objects, data.meshes, data.materials, data.images), strict=True):
            if block is not None:
                kind.remove(block)


def _looking_back_along(towards: list[float]) -> list[list[float]]:
    """Rows of a matrix whose z axis is ``towards`` (unit): lamps shine along -z."""
    z = np.array(towards)
    x = np.cross([0.0, 0.0, 1.0] if abs(z[2]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    rows: list[list[float]] = np.block([[np.stack([x, np.cross(z, x), z], 1), np.zeros((3, 1))], [0, 0, 0, 1]]).tolist()
    return rows


def _end_with_parent(lifeline: int) -> None:
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # The parent may have gone before; then nothing is said any more, and stdin ends.


def _silence() -> None:
    """Blender prints from C, frame by frame; what it says last of all is in stderr, which is the parent's file."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def _answer(answers: TextIO, content: Json) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
